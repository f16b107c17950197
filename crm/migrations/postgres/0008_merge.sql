-- The merges of records there were, also those undone.
CREATE TABLE {schema}.merge (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	object text COLLATE "C" NOT NULL,
	survivor_id uuid NOT NULL,
	version bigint NOT NULL,
	happened timestamptz NOT NULL,
	recorded timestamptz NOT NULL,
	actor text COLLATE "C" NOT NULL,
	cause text COLLATE "C",
	absorbed jsonb NOT NULL,
	relinked jsonb NOT NULL,
	undone timestamptz,
	undone_by text COLLATE "C",
	PRIMARY KEY (tenant, id)
);
CREATE INDEX merge_survivor ON {schema}.merge (tenant, object, survivor_id, version);

-- The records of each merge. While it holds, one that was absorbed leads to another.
CREATE TABLE {schema}.merge_part (
	tenant text COLLATE "C" NOT NULL,
	object text COLLATE "C" NOT NULL,
	record_id uuid NOT NULL,
	merge_id uuid NOT NULL,
	into_id uuid,
	version bigint NOT NULL,
	recorded timestamptz NOT NULL,
	ended timestamptz,
	PRIMARY KEY (tenant, object, record_id, merge_id)
);
CREATE INDEX merge_part_into ON {schema}.merge_part (tenant, object, into_id) WHERE ended IS NULL;

-- What a merge made refer to the survivor, and to whom it referred before.
CREATE TABLE {schema}.merge_move (
	tenant text COLLATE "C" NOT NULL,
	merge_id uuid NOT NULL,
	object text COLLATE "C" NOT NULL,
	field text COLLATE "C" NOT NULL,
	record_id uuid NOT NULL,
	from_id uuid NOT NULL,
	PRIMARY KEY (tenant, merge_id, object, field, record_id)
);

-- The rows of ledgers that a merge gave to the survivor.
CREATE TABLE {schema}.merge_row (
	tenant text COLLATE "C" NOT NULL,
	merge_id uuid NOT NULL,
	number bigint NOT NULL,
	ledger text COLLATE "C" NOT NULL,
	field text COLLATE "C" NOT NULL,
	from_id uuid NOT NULL,
	clashed boolean NOT NULL,
	entry jsonb NOT NULL,
	PRIMARY KEY (tenant, merge_id, number)
);
