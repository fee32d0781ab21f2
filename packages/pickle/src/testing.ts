/**
 * The typed form of values, in which the fixtures and conformance scripts of this package state their expectations.
 *
 * @since 0.1.0
 */
export { describe, type DescribeOptions } from "./typedForm.ts"
