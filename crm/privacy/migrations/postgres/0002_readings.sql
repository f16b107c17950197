CREATE TABLE {schema}.reading (
	tenant text COLLATE "C" NOT NULL,
	object text COLLATE "C" NOT NULL,
	record_id uuid NOT NULL,
	at timestamptz NOT NULL,
	id uuid NOT NULL,
	actor text COLLATE "C" NOT NULL,
	how text COLLATE "C" NOT NULL,
	fields jsonb,
	reason text COLLATE "C",
	PRIMARY KEY (tenant, object, record_id, at, id)
);
CREATE INDEX reading_actor ON {schema}.reading (tenant, actor, at);

CREATE TABLE {schema}.export_batch (
	tenant text COLLATE "C" NOT NULL,
	actor text COLLATE "C" NOT NULL,
	object text COLLATE "C" NOT NULL,
	at timestamptz NOT NULL,
	id uuid NOT NULL,
	n bigint NOT NULL,
	PRIMARY KEY (tenant, actor, object, at, id)
);

CREATE TABLE {schema}.export_alarm (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	actor text COLLATE "C" NOT NULL,
	object text COLLATE "C" NOT NULL,
	day date NOT NULL,
	exported bigint NOT NULL,
	allowed bigint NOT NULL,
	usual bigint NOT NULL,
	key text COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX export_alarm_key ON {schema}.export_alarm (tenant, key) WHERE deleted IS NULL;
CREATE INDEX export_alarm_updated ON {schema}.export_alarm (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX export_alarm_owner ON {schema}.export_alarm (tenant, owner_id);
