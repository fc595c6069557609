// Package housekeeping has no code, only tests that hold the repository to the
// promises that no compiler checks: which modules the root requires, which files
// its public surface is in, which way imports point, and that every exported
// name is documented, and recorded in docs/api.txt.
package housekeeping
