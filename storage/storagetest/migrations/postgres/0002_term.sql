create table {schema}.term (
	tenant text collate "C" not null,
	note_id uuid not null,
	kind text collate "C" not null,
	words text collate "C" not null,
	n bigint,
	primary key (tenant, kind, note_id)
);
create index term_words on {schema}.term using gin ((words::tsvector));
