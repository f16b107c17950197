// Duplicates finds the rows of a file that are one entity, and says how well it did:
//
//	go run ./examples/duplicates -in FILE.csv -truth COLUMN
//
// What the columns hold is guessed by their headings, as an import does, and by their
// values; one that is always the same or numbers the rows is left out. Nothing is learned
// of the truth: its column says, after all was found, which rows are one entity. They
// have the same text in it; if all its texts are different, what follows the last -org or
// -dup is not part of them (rec-7-org and rec-7-dup-0 are one), or what -truth-pattern
// says. The last line gives precision, recall and F1 over pairs of rows.
package main
