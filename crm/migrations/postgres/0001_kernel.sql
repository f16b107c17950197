CREATE TABLE {schema}.tenant (
	tenant text COLLATE "C" NOT NULL PRIMARY KEY,
	bucket bigint NOT NULL,
	created timestamptz NOT NULL,
	secret bytea NOT NULL,
	rights bigint NOT NULL
);

CREATE TABLE {schema}.event (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	object text COLLATE "C" NOT NULL,
	record_id uuid NOT NULL,
	version bigint NOT NULL,
	name text COLLATE "C" NOT NULL,
	happened timestamptz NOT NULL,
	recorded timestamptz NOT NULL,
	actor text COLLATE "C" NOT NULL,
	cause text COLLATE "C",
	changes jsonb NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX event_record ON {schema}.event (tenant, object, record_id, version);

CREATE TABLE {schema}.outbox (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	bucket bigint NOT NULL,
	due timestamptz NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX outbox_due ON {schema}.outbox (bucket, tenant, due, id);

CREATE TABLE {schema}.ref (
	tenant text COLLATE "C" NOT NULL,
	object text COLLATE "C" NOT NULL,
	source text COLLATE "C" NOT NULL,
	key text COLLATE "C" NOT NULL,
	record_id uuid NOT NULL,
	PRIMARY KEY (tenant, object, source, key)
);
