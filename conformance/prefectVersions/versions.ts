/**
 * The versions of Prefect 2 and 3 that this library is compared with, and the pip requirements that make them start.
 */
import type { Version } from "./compare.ts"

const old = ["anyio<4", "griffe<0.30", "setuptools<70", "pendulum<3", "sqlalchemy<2", "cachetools"]

export const prefect3Newest: Version = {
  name: "prefect-3-newest",
  python: "3.11",
  packages: ["prefect>=3.9"],
  version: /Prefect 3\.\d/
}

export const prefect30: Version = {
  name: "prefect-3.0",
  python: "3.11",
  packages: ["prefect==3.0.11", "pydantic<2.11", "fastapi<0.116", "starlette<0.42"],
  version: /Prefect 3\.0\.11/
}

export const prefect220: Version = {
  name: "prefect-2.20",
  python: "3.11",
  packages: ["prefect==2.20.27"],
  version: /Prefect 2\.20\.27/,
  app: "prefect.server.api.server:create_app",
  migratedBy: prefect3Newest
}

export const prefect210: Version = {
  name: "prefect-2.10",
  python: "3.10",
  packages: ["prefect==2.10.21", "pydantic<2", ...old],
  version: /Prefect 2\.10\.21/,
  app: "prefect.server.api.server:create_app"
}

export const prefect26: Version = {
  name: "prefect-2.6",
  python: "3.10",
  packages: [
    "prefect==2.6.9",
    "pydantic<1.11",
    ...old,
    "httpx<0.24",
    "fastapi<0.90",
    "starlette<0.23",
    "apprise<1.4"
  ],
  version: /Prefect 2\.6\.9/,
  app: "prefect.orion.api.server:create_app"
}
