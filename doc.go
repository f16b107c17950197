// Package embedcrm is a customer relationship manager to build into a Go program: it works in the host's own process,
// in its own database and in its own transactions.
//
// It is being built from the bottom up. What exists at present is the storage layer: the contract an engine must meet
// (package storage) and the adapters for it below storage/. The customers, the sales pipeline and the other modules
// that this package will put together stand on that layer and are yet to come.
package embedcrm
