CREATE TABLE {schema}.contact (
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
	city text COLLATE "C",
	PRIMARY KEY (tenant, id)
);
CREATE INDEX contact_updated ON {schema}.contact (tenant, updated, id) WHERE deleted IS NULL;
