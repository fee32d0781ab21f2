/** jpickle has no types of its own. */
declare module "jpickle" {
  const jpickle: { readonly loads: (text: string) => unknown }
  export default jpickle
}
