CREATE TABLE {schema}.person (
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
	email text COLLATE "C",
	phone text COLLATE "C",
	city text COLLATE "C",
	labels jsonb,
	vip boolean NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX person_updated ON {schema}.person (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX person_owner ON {schema}.person (tenant, owner_id);
