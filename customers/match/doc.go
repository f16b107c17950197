// Package match finds the records that are one entity: the person who is a customer
// three times, the company whose name was typed in two ways. It needs no database, no key
// and nothing that anybody labelled before.
//
//	people, err := match.NewRecords(
//		match.Field{Name: "name", Kind: match.Person}, match.Field{Name: "born", Kind: match.Date}, match.Field{Name: "mail", Kind: match.Email})
//	people.Add("Ada Lovelace", "1815-12-10", "ada@example.com")
//	…
//	model, err := match.Learn(ctx, people, match.Options{})
//	clusters, err := match.Find(ctx, people, model, match.Options{})
//	why, err := match.Explain(people, model, 17, 4711)
//
// Values are brought to a normal form and compared by what they are: a name with its
// nicknames, initials and order, in Chinese characters and in pinyin; a company without
// its legal form; a date whose day and month may have changed places. What a level of
// agreement is worth is a number of bits, which is learned from the records themselves
// and by which the result is explained.
//
// See docs/duplicates.md for how that is done, and for what was measured.
package match
