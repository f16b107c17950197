ALTER TABLE {schema}.tenant ADD COLUMN erased boolean;
ALTER TABLE {schema}.field ADD COLUMN personal boolean NOT NULL DEFAULT false;

CREATE TABLE {schema}.tombstone (
	tenant text COLLATE "C" NOT NULL,
	hash text COLLATE "C" NOT NULL,
	erasure_id uuid NOT NULL,
	erased timestamptz NOT NULL,
	PRIMARY KEY (tenant, hash)
);

CREATE TABLE {schema}.erasure (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	object text COLLATE "C" NOT NULL,
	record_id uuid NOT NULL,
	reason text COLLATE "C" NOT NULL,
	state text COLLATE "C" NOT NULL,
	records bigint NOT NULL,
	events bigint NOT NULL,
	"keys" bigint NOT NULL,
	others jsonb,
	finished timestamptz,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX erasure_record ON {schema}.erasure (tenant, object, record_id);
CREATE INDEX erasure_updated ON {schema}.erasure (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX erasure_owner ON {schema}.erasure (tenant, owner_id);

CREATE TABLE {schema}.retention (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	name text COLLATE "C" NOT NULL,
	object text COLLATE "C" NOT NULL,
	"where" text COLLATE "C",
	since text COLLATE "C" NOT NULL,
	"after" text COLLATE "C" NOT NULL,
	action text COLLATE "C" NOT NULL,
	off boolean NOT NULL,
	uses jsonb,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX retention_name ON {schema}.retention (tenant, name) WHERE deleted IS NULL;
CREATE INDEX retention_updated ON {schema}.retention (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX retention_owner ON {schema}.retention (tenant, owner_id);
