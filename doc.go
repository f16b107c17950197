// Package embedcrm is a customer relationship manager to build into a Go program: it works in the host's own process,
// in its own database and in its own transactions.
//
// It is being built from the bottom up. What exists at present is the storage layer, that is the contract an engine must
// meet (package storage) and the adapters for it below storage/, and on it the kernel's records (package crm). The
// customers, the sales pipeline and the other modules that this package will put together are yet to come.
package embedcrm
