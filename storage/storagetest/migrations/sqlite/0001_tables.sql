create table crm_author (
	tenant text not null,
	id blob not null,
	version integer not null,
	name text not null,
	city text,
	rank integer,
	born text,
	seen integer,
	data text,
	primary key (tenant, id)
) strict;

create table crm_note (
	tenant text not null,
	id blob not null,
	version integer not null,
	title text not null,
	body text,
	rank integer not null,
	score integer,
	done integer not null,
	seen integer,
	at integer not null,
	due integer,
	day text not null,
	until text,
	blob blob not null,
	sign blob,
	token blob,
	parent_id blob,
	author_id blob,
	custom text not null,
	tags text,
	email text,
	primary key (tenant, id),
	foreign key (tenant, parent_id) references crm_note (tenant, id),
	foreign key (tenant, author_id) references crm_author (tenant, id)
) strict;

create unique index crm_note_email on crm_note (tenant, email);
create index crm_note_score on crm_note (tenant, score, id);
create index crm_note_at on crm_note (tenant, at, id);
create index crm_note_parent on crm_note (tenant, parent_id);
create index crm_note_author on crm_note (tenant, author_id);

create table crm_mark (
	tenant text not null,
	note_id blob not null,
	kind text not null,
	n integer not null,
	at integer,
	code text,
	flag integer,
	day text,
	link blob,
	raw blob,
	data text,
	primary key (tenant, note_id, kind, n),
	foreign key (tenant, note_id) references crm_note (tenant, id)
) strict, without rowid;

create unique index crm_mark_code on crm_mark (tenant, code);

create table crm_queue (
	tenant text not null,
	id blob not null,
	version integer not null,
	bucket integer not null,
	due integer,
	kind text not null,
	data text,
	primary key (tenant, id)
) strict;

create index crm_queue_due on crm_queue (bucket, tenant, due, id);

create table crm_registry (
	tenant text not null,
	version integer not null,
	number integer not null,
	name text,
	"order" integer,
	primary key (tenant)
) strict, without rowid;

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
