CREATE TABLE crm_search (
	"row" INTEGER PRIMARY KEY,
	tenant TEXT NOT NULL,
	object TEXT NOT NULL,
	record_id BLOB NOT NULL,
	words TEXT NOT NULL,
	UNIQUE (tenant, object, record_id)
);
CREATE VIRTUAL TABLE crm_search_words USING fts5(words, content='crm_search', content_rowid='row', tokenize='ascii', detail='none', columnsize=0);
