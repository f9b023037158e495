/** In a page, in the place of the package `jstat`: nothing of it is reached, as a page tests no differences. */
export default {};
