CREATE TABLE {schema}.duplicate_policy (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	kind text COLLATE "C" NOT NULL,
	form text COLLATE "C",
	import text COLLATE "C",
	api text COLLATE "C",
	warn_from bigint NOT NULL,
	block_from bigint NOT NULL,
	keys_version bigint NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX duplicate_policy_kind ON {schema}.duplicate_policy (tenant, kind) WHERE deleted IS NULL;
CREATE INDEX duplicate_policy_updated ON {schema}.duplicate_policy (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX duplicate_policy_owner ON {schema}.duplicate_policy (tenant, owner_id);

CREATE TABLE {schema}.duplicate_key (
	tenant text COLLATE "C" NOT NULL,
	hash uuid NOT NULL,
	customer_id uuid NOT NULL,
	origin uuid NOT NULL,
	PRIMARY KEY (tenant, hash, customer_id, origin)
);
CREATE INDEX duplicate_key_customer ON {schema}.duplicate_key (tenant, customer_id);

CREATE TABLE {schema}.duplicate_hold (
	tenant text COLLATE "C" NOT NULL,
	hash uuid NOT NULL,
	PRIMARY KEY (tenant, hash)
);

CREATE TABLE {schema}.duplicate_dismissed (
	tenant text COLLATE "C" NOT NULL,
	one_id uuid NOT NULL,
	other_id uuid NOT NULL,
	at timestamptz NOT NULL,
	PRIMARY KEY (tenant, one_id, other_id),
	FOREIGN KEY (tenant, one_id) REFERENCES {schema}.customer (tenant, id),
	FOREIGN KEY (tenant, other_id) REFERENCES {schema}.customer (tenant, id)
);
CREATE INDEX duplicate_dismissed_other ON {schema}.duplicate_dismissed (tenant, other_id);

CREATE TABLE {schema}.duplicate_scan (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	kind text COLLATE "C" NOT NULL,
	state text COLLATE "C" NOT NULL,
	done bigint NOT NULL,
	total bigint NOT NULL,
	customers bigint NOT NULL,
	sets bigint NOT NULL,
	threshold bigint NOT NULL,
	model text COLLATE "C",
	finished timestamptz,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX duplicate_scan_updated ON {schema}.duplicate_scan (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX duplicate_scan_owner ON {schema}.duplicate_scan (tenant, owner_id);

CREATE TABLE {schema}.duplicate_pair (
	tenant text COLLATE "C" NOT NULL,
	scan_id uuid NOT NULL,
	one uuid NOT NULL,
	other uuid NOT NULL,
	PRIMARY KEY (tenant, scan_id, one, other)
);

CREATE TABLE {schema}.duplicate (
	tenant text COLLATE "C" NOT NULL,
	scan_id uuid NOT NULL,
	number bigint NOT NULL,
	customer_id uuid NOT NULL,
	place bigint NOT NULL,
	probability bigint NOT NULL,
	rarity jsonb,
	PRIMARY KEY (tenant, scan_id, number, customer_id),
	FOREIGN KEY (tenant, customer_id) REFERENCES {schema}.customer (tenant, id)
);
CREATE INDEX duplicate_customer ON {schema}.duplicate (tenant, customer_id);
