// Package storage is the contract between the CRM's kernel and a database, and
// the types the two share.
//
// It is written for whoever implements it: two adapters live beside it
// (storage/sqlite, storage/postgres), a third can be written from this package
// and proven with storage/storagetest, where every sentence below that promises
// something is a named test. A host application never calls it; it opens a
// [Store] and hands it to the kernel. Before v1 the contract may grow.
//
// # Tables and rows
//
// A [Table] is a name and columns of eight kinds. The kinds' Go types and their
// rules of comparison ([Kind], [Compare], [Match]) are the contract: memory and
// every database are implementations of the same rules. An adapter sees values
// by column index through [Row] and never reflects; it knows no deal and no
// ticket.
//
// Every table has one more column that no Table lists: tenant, the host's own
// key. It is the first column of each table's primary key, and an argument of
// every call here but the five that serve all tenants ([Store.Claim], [Store.Due],
// [Store.Tenants], [Store.Migrate], [Store.Verify]). An adapter refuses a call
// without one, and puts it in every statement, also inside references and
// relations, where no expression can reach round it.
//
// A table with a Version column holds records: they change by [Session.Write]
// alone, each change conditional on the version it was made from. A table
// without one is a ledger: narrow rows that are added and cleared in bulk, and
// the only target of [Session.Expand].
//
// # Transactions
//
// Each call on a [Store] is a transaction of its own. [Session.Atomic] makes
// several calls one transaction, and [Store.Join] makes calls part of a
// transaction the host began. In all three, a call either did the whole of what
// it says or nothing; and after it failed, the transaction it was part of can
// go on as if the call had not been made, unless the error is [ErrTxLost]: then
// the transaction is gone with everything in it, and every further call says so.
// Three rules make that true, and every adapter keeps them:
//
//   - In a joined transaction a statement that runs is never cancelled. The
//     context is looked at before each one. (A database may answer cancellation
//     by dropping the whole transaction, and the host's next statement would
//     then commit by itself.)
//   - Each call that writes, and each Atomic, is one savepoint, released before
//     it returns. After an error the adapter proves that the transaction still
//     stands before it says so.
//   - A finished transaction is an error, never a reason to use the pool.
//
// Transactions of an adapter's own read what is committed (READ COMMITTED, or
// better) and are serialised against each other where the database can do no
// better; one call to Read or Aggregate is one statement and sees one instant.
// [Store.Snapshot] sees one instant over several calls. A Session belongs to one
// goroutine.
//
// # Limits
//
// What is larger is refused with [ErrInvalid], naming the field and the limit,
// before anything is sent: see [MaxText] and the constants beside it.
package storage
