// Package transfer brings records in from files and writes them out again, for every
// kind of record.
//
// A file is read as a [Source]: rows of text under headings. [ReadCSV] finds out a
// file's encoding and delimiter by itself; what headings mean is guessed by
// [github.com/embedcrm/embedcrm/crm/transfer/heading].
package transfer
