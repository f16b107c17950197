CREATE TABLE {schema}.client (
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
	region text COLLATE "C",
	phone text COLLATE "C",
	email text COLLATE "C",
	PRIMARY KEY (tenant, id)
);
CREATE INDEX client_updated ON {schema}.client (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX client_owner ON {schema}.client (tenant, owner_id);

CREATE TABLE {schema}.visit (
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
	at timestamptz NOT NULL,
	about text COLLATE "C",
	PRIMARY KEY (tenant, id)
);
CREATE INDEX visit_record ON {schema}.visit (tenant, record_id, at, id) WHERE deleted IS NULL;
CREATE INDEX visit_updated ON {schema}.visit (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX visit_owner ON {schema}.visit (tenant, owner_id);

CREATE TABLE {schema}.offer (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	client_id uuid NOT NULL,
	state text COLLATE "C",
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, client_id) REFERENCES {schema}.client (tenant, id)
);
CREATE INDEX offer_client ON {schema}.offer (tenant, client_id);
CREATE INDEX offer_updated ON {schema}.offer (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX offer_owner ON {schema}.offer (tenant, owner_id);
CREATE INDEX client_unowned ON {schema}.client (tenant, updated, id) WHERE deleted IS NULL AND owner_id IS NULL;
