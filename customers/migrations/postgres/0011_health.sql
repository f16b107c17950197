CREATE TABLE {schema}.scorecard (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	key text COLLATE "C" NOT NULL,
	name text COLLATE "C" NOT NULL,
	whom text COLLATE "C",
	measures jsonb,
	bands jsonb,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX scorecard_key ON {schema}.scorecard (tenant, key) WHERE deleted IS NULL;
CREATE INDEX scorecard_updated ON {schema}.scorecard (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX scorecard_owner ON {schema}.scorecard (tenant, owner_id);

CREATE TABLE {schema}.health_score (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	customer_id uuid NOT NULL,
	scorecard_id uuid NOT NULL,
	score bigint NOT NULL,
	band text COLLATE "C" NOT NULL,
	since timestamptz NOT NULL,
	delta30 bigint NOT NULL,
	delta90 bigint NOT NULL,
	key text COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES {schema}.customer (tenant, id),
	FOREIGN KEY (tenant, scorecard_id) REFERENCES {schema}.scorecard (tenant, id)
);
CREATE INDEX health_score_customer ON {schema}.health_score (tenant, customer_id, updated, id);
CREATE INDEX health_score_scorecard ON {schema}.health_score (tenant, scorecard_id);
CREATE INDEX health_score_score ON {schema}.health_score (tenant, score, id) WHERE deleted IS NULL;
CREATE UNIQUE INDEX health_score_key ON {schema}.health_score (tenant, key) WHERE deleted IS NULL;
CREATE INDEX health_score_updated ON {schema}.health_score (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX health_score_owner ON {schema}.health_score (tenant, owner_id);

CREATE TABLE {schema}.health_point (
	tenant text COLLATE "C" NOT NULL,
	score_id uuid NOT NULL,
	at timestamptz NOT NULL,
	id uuid NOT NULL,
	score bigint NOT NULL,
	change bigint NOT NULL,
	band text COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, score_id, at, id),
	FOREIGN KEY (tenant, score_id) REFERENCES {schema}.health_score (tenant, id)
);

CREATE TABLE {schema}.health_pass (
	tenant text COLLATE "C" NOT NULL,
	scorecard_id uuid NOT NULL,
	recent timestamptz NOT NULL,
	whole timestamptz NOT NULL,
	PRIMARY KEY (tenant, scorecard_id),
	FOREIGN KEY (tenant, scorecard_id) REFERENCES {schema}.scorecard (tenant, id)
);
