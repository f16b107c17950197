// Package mattn runs the suite on github.com/mattn/go-sqlite3, in a test binary without any other driver of SQLite.
package mattn
