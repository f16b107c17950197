// Package examples holds runnable hosts, one directory each. It is a module of its own, so that nothing they need
// reaches the go.sum of a program that uses embedcrm.
package examples
