/**
 * The signatures that AWS published: the GET requests of the Signature Version 4 test suite, and the examples of the S3 API
 * reference (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html). The keys are AWS's examples.
 */
import { assert, describe, it } from "@effect/vitest"
import { authorization, encodeKey } from "../src/internal/remote/signedGet.ts"

interface Vector {
  readonly name: string
  readonly path?: string
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly signature: string
}

const suite: ReadonlyArray<Vector> = [
  { name: "get-vanilla", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
  {
    name: "get-unreserved",
    path: "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"
  },
  {
    name: "get-utf8",
    path: `/${encodeKey("\u1234")}`,
    signature: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"
  },
  {
    name: "get-vanilla-query-order-key-case",
    query: "Param1=value1&Param2=value2",
    signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
  },
  {
    name: "get-vanilla-empty-query-key",
    query: "Param1=value1",
    signature: "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"
  },
  {
    name: "get-vanilla-utf8-query",
    query: `${encodeKey("\u1234")}=bar`,
    signature: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"
  },
  {
    name: "get-header-value-trim",
    headers: { "my-header1": " value1", "my-header2": " \"a   b   c\"" },
    signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"
  },
  {
    name: "get-header-key-duplicate",
    headers: { "my-header1": "value2,value2,value1" },
    signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"
  },
  {
    name: "get-header-value-multiline",
    headers: { "my-header1": "value1,value2,value3" },
    signature: "ba17b383a53190154eb5fa66a1b836cc297cc0a3d70a5d00705980573d8ff790"
  }
]

const reference: ReadonlyArray<Vector> = [
  {
    name: "GET Object",
    path: "/test.txt",
    headers: { range: "bytes=0-9" },
    signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
  },
  {
    name: "GET Bucket Lifecycle",
    query: "lifecycle=",
    signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
  },
  {
    name: "GET Bucket (List Objects)",
    query: "max-keys=2&prefix=J",
    signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
  }
]

const nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

describe("the signatures that AWS published", () => {
  for (const { headers = {}, name, path = "/", query = "", signature } of suite) {
    it(`${name} of the test suite`, () => {
      const given = { host: "example.amazonaws.com", "x-amz-date": "20150830T123600Z", ...headers }
      const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" }
      assert.strictEqual(
        authorization(path, query, given, "us-east-1", credentials, "service"),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, " +
          `SignedHeaders=${Object.keys(given).toSorted().join(";")}, Signature=${signature}`
      )
    })
  }

  for (const { headers = {}, name, path = "/", query = "", signature } of reference) {
    it(`${name} of the S3 API reference`, () => {
      const given = {
        host: "examplebucket.s3.amazonaws.com",
        "x-amz-content-sha256": nothing,
        "x-amz-date": "20130524T000000Z",
        ...headers
      }
      const credentials = {
        accessKeyId: "AKIAIOSFODNN7EXAMPLE",
        secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
      }
      assert.strictEqual(
        authorization(path, query, given, "us-east-1", credentials).split("Signature=")[1],
        signature
      )
    })
  }
})
