/** The libraries whose own writers make the values, in several versions of each. */
import type { Requirements } from "../support/python.ts"

export const environments: ReadonlyArray<Requirements> = [
  {
    name: "values-pandas-0.25",
    python: "3.7",
    packages: [
      "pandas==0.25.3",
      "numpy==1.17.5",
      "scipy==1.4.1",
      "pendulum==2.1.2",
      "pyarrow==0.17.1",
      "xarray==0.16.2",
      "SQLAlchemy==1.3.24",
      "Pillow==7.2.0",
      "python-dateutil==2.8.1",
      "tzlocal==2.1",
      "psycopg2-binary==2.8.6"
    ]
  },
  {
    name: "values-pandas-1.5",
    python: "3.9",
    packages: [
      "pandas==1.5.3",
      "numpy==1.24.4",
      "scipy==1.10.1",
      "pendulum==2.1.2",
      "pyarrow==12.0.1",
      "polars==0.18.15",
      "xarray==2023.1.0",
      "geopandas==0.12.2",
      "shapely==1.8.5.post1",
      "SQLAlchemy==1.4.54",
      "Pillow==9.5.0",
      "psycopg2-binary==2.9.12",
      "isodate==0.7.2",
      "pytz-deprecation-shim==0.1.0.post0"
    ]
  },
  {
    name: "values-pandas-2.2",
    python: "3.10",
    packages: [
      "pandas==2.2.3",
      "numpy==1.26.4",
      "scipy==1.13.1",
      "pendulum==3.0.0",
      "pyarrow==16.1.0",
      "polars==1.9.0",
      "xarray==2024.7.0",
      "geopandas==1.0.1",
      "shapely==2.0.6",
      "SQLAlchemy==2.0.36",
      "Pillow==10.4.0",
      "pydantic==2.9.2",
      "arrow==1.3.0"
    ]
  },
  {
    name: "values-pandas-3",
    python: "3.11",
    packages: [
      "pandas>=3,<4",
      "numpy>=2.1",
      "scipy",
      "pendulum>=3.1",
      "pyarrow",
      "polars",
      "xarray",
      "geopandas",
      "SQLAlchemy>=2",
      "Pillow",
      "pydantic>=2",
      "python-dateutil",
      "pytz"
    ]
  }
]
