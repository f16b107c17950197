CREATE TABLE crm_duplicate_policy (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	kind TEXT NOT NULL,
	form TEXT,
	import TEXT,
	api TEXT,
	warn_from INTEGER NOT NULL,
	block_from INTEGER NOT NULL,
	keys_version INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX crm_duplicate_policy_kind ON crm_duplicate_policy (tenant, kind) WHERE deleted IS NULL;
CREATE INDEX crm_duplicate_policy_updated ON crm_duplicate_policy (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_duplicate_policy_owner ON crm_duplicate_policy (tenant, owner_id);

CREATE TABLE crm_duplicate_key (
	tenant TEXT NOT NULL,
	hash BLOB NOT NULL,
	customer_id BLOB NOT NULL,
	origin BLOB NOT NULL,
	PRIMARY KEY (tenant, hash, customer_id, origin)
) WITHOUT ROWID;
CREATE INDEX crm_duplicate_key_customer ON crm_duplicate_key (tenant, customer_id);

CREATE TABLE crm_duplicate_hold (
	tenant TEXT NOT NULL,
	hash BLOB NOT NULL,
	PRIMARY KEY (tenant, hash)
) WITHOUT ROWID;

CREATE TABLE crm_duplicate_dismissed (
	tenant TEXT NOT NULL,
	one_id BLOB NOT NULL,
	other_id BLOB NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (tenant, one_id, other_id),
	FOREIGN KEY (tenant, one_id) REFERENCES crm_customer (tenant, id),
	FOREIGN KEY (tenant, other_id) REFERENCES crm_customer (tenant, id)
) WITHOUT ROWID;
CREATE INDEX crm_duplicate_dismissed_other ON crm_duplicate_dismissed (tenant, other_id);

CREATE TABLE crm_duplicate_scan (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	kind TEXT NOT NULL,
	state TEXT NOT NULL,
	done INTEGER NOT NULL,
	total INTEGER NOT NULL,
	customers INTEGER NOT NULL,
	sets INTEGER NOT NULL,
	threshold INTEGER NOT NULL,
	model TEXT,
	finished INTEGER,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_duplicate_scan_updated ON crm_duplicate_scan (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_duplicate_scan_owner ON crm_duplicate_scan (tenant, owner_id);

CREATE TABLE crm_duplicate_pair (
	tenant TEXT NOT NULL,
	scan_id BLOB NOT NULL,
	one BLOB NOT NULL,
	other BLOB NOT NULL,
	PRIMARY KEY (tenant, scan_id, one, other)
) WITHOUT ROWID;

CREATE TABLE crm_duplicate (
	tenant TEXT NOT NULL,
	scan_id BLOB NOT NULL,
	number INTEGER NOT NULL,
	customer_id BLOB NOT NULL,
	place INTEGER NOT NULL,
	probability INTEGER NOT NULL,
	rarity TEXT,
	PRIMARY KEY (tenant, scan_id, number, customer_id),
	FOREIGN KEY (tenant, customer_id) REFERENCES crm_customer (tenant, id)
) WITHOUT ROWID;
CREATE INDEX crm_duplicate_customer ON crm_duplicate (tenant, customer_id);
