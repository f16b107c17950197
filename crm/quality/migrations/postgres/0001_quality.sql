CREATE TABLE {schema}.quality_rule (
	tenant text COLLATE "C" NOT NULL, id uuid NOT NULL, version bigint NOT NULL, owner_id uuid,
	created timestamptz NOT NULL, updated timestamptz NOT NULL, deleted timestamptz, refs jsonb, custom jsonb,
	object text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL, condition text COLLATE "C" NOT NULL, severity text COLLATE "C" NOT NULL,
	message text COLLATE "C", cure text COLLATE "C", field text COLLATE "C", off boolean NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX quality_rule_updated ON {schema}.quality_rule (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX quality_rule_owner ON {schema}.quality_rule (tenant, owner_id);

CREATE TABLE {schema}.quality_standard (
	tenant text COLLATE "C" NOT NULL, id uuid NOT NULL, version bigint NOT NULL, owner_id uuid,
	created timestamptz NOT NULL, updated timestamptz NOT NULL, deleted timestamptz, refs jsonb, custom jsonb,
	object text COLLATE "C" NOT NULL, complete jsonb, fresh_days bigint NOT NULL, fresh_fields jsonb, source text COLLATE "C",
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX quality_standard_object ON {schema}.quality_standard (tenant, object) WHERE deleted IS NULL;
CREATE INDEX quality_standard_updated ON {schema}.quality_standard (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX quality_standard_owner ON {schema}.quality_standard (tenant, owner_id);

CREATE TABLE {schema}.quality_run (
	tenant text COLLATE "C" NOT NULL, id uuid NOT NULL, version bigint NOT NULL, owner_id uuid,
	created timestamptz NOT NULL, updated timestamptz NOT NULL, deleted timestamptz, refs jsonb, custom jsonb,
	object text COLLATE "C" NOT NULL, filter jsonb, changes jsonb, reason text COLLATE "C", state text COLLATE "C" NOT NULL,
	changed_count bigint NOT NULL, refused_count bigint NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX quality_run_updated ON {schema}.quality_run (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX quality_run_owner ON {schema}.quality_run (tenant, owner_id);

CREATE TABLE {schema}.quality_corrected (
	tenant text COLLATE "C" NOT NULL, run_id uuid NOT NULL, record_id uuid NOT NULL, version bigint NOT NULL,
	settled boolean NOT NULL, restored boolean NOT NULL,
	PRIMARY KEY (tenant, run_id, record_id),
	FOREIGN KEY (tenant, run_id) REFERENCES {schema}.quality_run (tenant, id)
);

CREATE TABLE {schema}.quality_snapshot (
	tenant text COLLATE "C" NOT NULL, object text COLLATE "C" NOT NULL, dimension text COLLATE "C" NOT NULL, day date NOT NULL, value text COLLATE "C" NOT NULL,
	records bigint NOT NULL, score bigint NOT NULL, complete bigint NOT NULL, fresh bigint NOT NULL, valid bigint NOT NULL,
	errors bigint NOT NULL, warnings bigint NOT NULL, infos bigint NOT NULL,
	PRIMARY KEY (tenant, object, dimension, day, value)
);
