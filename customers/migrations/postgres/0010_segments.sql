CREATE TABLE {schema}.segment (
	tenant text COLLATE "C" NOT NULL, id uuid NOT NULL, version bigint NOT NULL, owner_id uuid,
	created timestamptz NOT NULL, updated timestamptz NOT NULL, deleted timestamptz, refs jsonb, custom jsonb,
	key text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL, name_sort bytea, kind text COLLATE "C" NOT NULL, "where" jsonb, description text COLLATE "C", by_hand boolean NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX segment_key ON {schema}.segment (tenant, key) WHERE deleted IS NULL;
CREATE INDEX segment_name ON {schema}.segment (tenant, name_sort, id) WHERE deleted IS NULL;
CREATE INDEX segment_updated ON {schema}.segment (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX segment_owner ON {schema}.segment (tenant, owner_id);

CREATE TABLE {schema}.segment_roll (
	tenant text COLLATE "C" NOT NULL, id uuid NOT NULL, version bigint NOT NULL, owner_id uuid,
	created timestamptz NOT NULL, updated timestamptz NOT NULL, deleted timestamptz, refs jsonb, custom jsonb,
	segment_id uuid NOT NULL, evaluated timestamptz, entered bigint NOT NULL, "left" bigint NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, segment_id) REFERENCES {schema}.segment (tenant, id)
);
CREATE UNIQUE INDEX segment_roll_of ON {schema}.segment_roll (tenant, segment_id) WHERE deleted IS NULL;
CREATE INDEX segment_roll_segment ON {schema}.segment_roll (tenant, segment_id);
CREATE INDEX segment_roll_updated ON {schema}.segment_roll (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX segment_roll_owner ON {schema}.segment_roll (tenant, owner_id);

CREATE TABLE {schema}.segment_member (
	tenant text COLLATE "C" NOT NULL, segment_id uuid NOT NULL, customer_id uuid NOT NULL, since timestamptz NOT NULL, by_hand boolean NOT NULL,
	PRIMARY KEY (tenant, segment_id, customer_id),
	FOREIGN KEY (tenant, segment_id) REFERENCES {schema}.segment (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES {schema}.customer (tenant, id)
);
CREATE INDEX segment_member_customer ON {schema}.segment_member (tenant, customer_id);

CREATE TABLE {schema}.segment_exclusion (
	tenant text COLLATE "C" NOT NULL, segment_id uuid NOT NULL, customer_id uuid NOT NULL, since timestamptz NOT NULL,
	PRIMARY KEY (tenant, segment_id, customer_id),
	FOREIGN KEY (tenant, segment_id) REFERENCES {schema}.segment (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES {schema}.customer (tenant, id)
);
CREATE INDEX segment_exclusion_customer ON {schema}.segment_exclusion (tenant, customer_id);

CREATE TABLE {schema}.segment_change (
	tenant text COLLATE "C" NOT NULL, segment_id uuid NOT NULL, batch bigint NOT NULL, customer_id uuid NOT NULL,
	at timestamptz NOT NULL, entered boolean NOT NULL, by_hand boolean NOT NULL,
	PRIMARY KEY (tenant, segment_id, batch, customer_id),
	FOREIGN KEY (tenant, segment_id) REFERENCES {schema}.segment (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES {schema}.customer (tenant, id)
);
CREATE INDEX segment_change_customer ON {schema}.segment_change (tenant, customer_id);

CREATE TABLE {schema}.segment_use (
	tenant text COLLATE "C" NOT NULL, object text COLLATE "C" NOT NULL, field text COLLATE "C" NOT NULL, segment_id uuid NOT NULL, way text COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, object, field, segment_id, way)
);
CREATE INDEX segment_use_segment ON {schema}.segment_use (tenant, segment_id);

CREATE TABLE {schema}.segment_stale (
	tenant text COLLATE "C" NOT NULL, segment_id uuid NOT NULL, id uuid NOT NULL, customer_id uuid NOT NULL,
	PRIMARY KEY (tenant, segment_id, id)
);

CREATE TABLE {schema}.audience (
	tenant text COLLATE "C" NOT NULL, id uuid NOT NULL, version bigint NOT NULL, owner_id uuid,
	created timestamptz NOT NULL, updated timestamptz NOT NULL, deleted timestamptz, refs jsonb, custom jsonb,
	segment_id uuid NOT NULL, name text COLLATE "C" NOT NULL, taken timestamptz, members bigint NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, segment_id) REFERENCES {schema}.segment (tenant, id)
);
CREATE INDEX audience_segment ON {schema}.audience (tenant, segment_id);
CREATE INDEX audience_updated ON {schema}.audience (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX audience_owner ON {schema}.audience (tenant, owner_id);

CREATE TABLE {schema}.audience_member (
	tenant text COLLATE "C" NOT NULL, audience_id uuid NOT NULL, customer_id uuid NOT NULL,
	PRIMARY KEY (tenant, audience_id, customer_id),
	FOREIGN KEY (tenant, audience_id) REFERENCES {schema}.audience (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES {schema}.customer (tenant, id)
);
CREATE INDEX audience_member_customer ON {schema}.audience_member (tenant, customer_id);
