-- The merges of records there were, also those undone.
CREATE TABLE crm_merge (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	object TEXT NOT NULL,
	survivor_id BLOB NOT NULL,
	version INTEGER NOT NULL,
	happened INTEGER NOT NULL,
	recorded INTEGER NOT NULL,
	actor TEXT NOT NULL,
	cause TEXT,
	absorbed TEXT NOT NULL,
	relinked TEXT NOT NULL,
	undone INTEGER,
	undone_by TEXT,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_merge_survivor ON crm_merge (tenant, object, survivor_id, version);

-- The records of each merge. While it holds, one that was absorbed leads to another.
CREATE TABLE crm_merge_part (
	tenant TEXT NOT NULL,
	object TEXT NOT NULL,
	record_id BLOB NOT NULL,
	merge_id BLOB NOT NULL,
	into_id BLOB,
	version INTEGER NOT NULL,
	recorded INTEGER NOT NULL,
	ended INTEGER,
	PRIMARY KEY (tenant, object, record_id, merge_id)
) WITHOUT ROWID;
CREATE INDEX crm_merge_part_into ON crm_merge_part (tenant, object, into_id) WHERE ended IS NULL;

-- What a merge made refer to the survivor, and to whom it referred before.
CREATE TABLE crm_merge_move (
	tenant TEXT NOT NULL,
	merge_id BLOB NOT NULL,
	object TEXT NOT NULL,
	field TEXT NOT NULL,
	record_id BLOB NOT NULL,
	from_id BLOB NOT NULL,
	PRIMARY KEY (tenant, merge_id, object, field, record_id)
) WITHOUT ROWID;

-- The rows of ledgers that a merge gave to the survivor.
CREATE TABLE crm_merge_row (
	tenant TEXT NOT NULL,
	merge_id BLOB NOT NULL,
	number INTEGER NOT NULL,
	ledger TEXT NOT NULL,
	field TEXT NOT NULL,
	from_id BLOB NOT NULL,
	clashed INTEGER NOT NULL,
	entry TEXT NOT NULL,
	PRIMARY KEY (tenant, merge_id, number)
) WITHOUT ROWID;
