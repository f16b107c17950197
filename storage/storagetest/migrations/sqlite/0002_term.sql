create table crm_term (
	"row" integer primary key,
	tenant text not null,
	note_id blob not null,
	kind text not null,
	words text not null,
	n integer,
	unique (tenant, kind, note_id)
) strict;
create virtual table crm_term_words using fts5(words, content='crm_term', content_rowid='row', tokenize='ascii', detail='none', columnsize=0);
