create table {schema}.author (
	tenant text collate "C" not null,
	id uuid not null,
	version bigint not null,
	name text collate "C" not null,
	city text collate "C",
	rank bigint,
	born date,
	seen timestamptz,
	data jsonb,
	primary key (tenant, id)
);

create table {schema}.note (
	tenant text collate "C" not null,
	id uuid not null,
	version bigint not null,
	title text collate "C" not null,
	body text collate "C",
	rank bigint not null,
	score bigint,
	done boolean not null,
	seen boolean,
	at timestamptz not null,
	due timestamptz,
	day date not null,
	until date,
	blob bytea not null,
	sign bytea,
	token uuid,
	parent_id uuid,
	author_id uuid,
	custom jsonb not null,
	tags jsonb,
	email text collate "C",
	primary key (tenant, id),
	foreign key (tenant, parent_id) references {schema}.note (tenant, id),
	foreign key (tenant, author_id) references {schema}.author (tenant, id)
);

create unique index note_email on {schema}.note (tenant, email);
create index note_score on {schema}.note (tenant, score nulls first, id);
create index note_at on {schema}.note (tenant, at, id);
create index note_parent on {schema}.note (tenant, parent_id);
create index note_author on {schema}.note (tenant, author_id);

create table {schema}.mark (
	tenant text collate "C" not null,
	note_id uuid not null,
	kind text collate "C" not null,
	n bigint not null,
	at timestamptz,
	code text collate "C",
	flag boolean,
	day date,
	link uuid,
	raw bytea,
	data jsonb,
	primary key (tenant, note_id, kind, n),
	foreign key (tenant, note_id) references {schema}.note (tenant, id)
);

create unique index mark_code on {schema}.mark (tenant, code);

create table {schema}.queue (
	tenant text collate "C" not null,
	id uuid not null,
	version bigint not null,
	bucket bigint not null,
	due timestamptz,
	kind text collate "C" not null,
	data jsonb,
	primary key (tenant, id)
);

create index queue_due on {schema}.queue (bucket, tenant, due nulls first, id);

create table {schema}.registry (
	tenant text collate "C" not null,
	version bigint not null,
	number bigint not null,
	name text collate "C",
	"order" bigint,
	primary key (tenant)
);

create table {schema}.term (
	tenant text collate "C" not null,
	note_id uuid not null,
	kind text collate "C" not null,
	words text collate "C" not null,
	n bigint,
	primary key (tenant, kind, note_id)
);
create index term_words on {schema}.term using gin ((words::tsvector));
