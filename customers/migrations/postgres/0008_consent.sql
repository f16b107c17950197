ALTER TABLE {schema}.contact_point ADD COLUMN complained timestamptz;

CREATE TABLE {schema}.consent_topic (
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
	description text COLLATE "C",
	channels jsonb,
	basis text COLLATE "C" NOT NULL,
	double_opt_in boolean NOT NULL,
	valid_days bigint NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX consent_topic_key ON {schema}.consent_topic (tenant, key) WHERE deleted IS NULL;
CREATE INDEX consent_topic_updated ON {schema}.consent_topic (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX consent_topic_owner ON {schema}.consent_topic (tenant, owner_id);

CREATE TABLE {schema}.consent_text (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	topic_id uuid NOT NULL,
	language text COLLATE "C",
	number bigint NOT NULL,
	key text COLLATE "C" NOT NULL,
	text text COLLATE "C" NOT NULL,
	hash text COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, topic_id) REFERENCES {schema}.consent_topic (tenant, id)
);
CREATE INDEX consent_text_topic ON {schema}.consent_text (tenant, topic_id, updated, id);
CREATE UNIQUE INDEX consent_text_key ON {schema}.consent_text (tenant, key) WHERE deleted IS NULL;
CREATE INDEX consent_text_updated ON {schema}.consent_text (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX consent_text_owner ON {schema}.consent_text (tenant, owner_id);

CREATE TABLE {schema}.consent (
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
	channel text COLLATE "C" NOT NULL,
	topic_id uuid NOT NULL,
	topic text COLLATE "C" NOT NULL,
	key text COLLATE "C" NOT NULL,
	status text COLLATE "C",
	since timestamptz,
	basis text COLLATE "C",
	text_id uuid,
	source text COLLATE "C",
	expires timestamptz,
	confirmed timestamptz,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES {schema}.customer (tenant, id),
	FOREIGN KEY (tenant, topic_id) REFERENCES {schema}.consent_topic (tenant, id),
	FOREIGN KEY (tenant, text_id) REFERENCES {schema}.consent_text (tenant, id)
);
CREATE INDEX consent_customer ON {schema}.consent (tenant, customer_id, updated, id);
CREATE INDEX consent_by_topic ON {schema}.consent (tenant, topic_id, updated, id);
CREATE INDEX consent_by_text ON {schema}.consent (tenant, text_id, updated, id);
CREATE UNIQUE INDEX consent_key ON {schema}.consent (tenant, key) WHERE deleted IS NULL;
CREATE INDEX consent_expires ON {schema}.consent (tenant, expires NULLS FIRST, id) WHERE deleted IS NULL;
CREATE INDEX consent_updated ON {schema}.consent (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX consent_owner ON {schema}.consent (tenant, owner_id);

CREATE TABLE {schema}.consent_entry (
	tenant text COLLATE "C" NOT NULL,
	customer_id uuid NOT NULL,
	at timestamptz NOT NULL,
	id uuid NOT NULL,
	n bigint NOT NULL,
	origin uuid,
	parties jsonb,
	channel text COLLATE "C" NOT NULL,
	topic text COLLATE "C" NOT NULL,
	status text COLLATE "C" NOT NULL,
	basis text COLLATE "C",
	text_id uuid,
	text_hash text COLLATE "C",
	source text COLLATE "C" NOT NULL,
	proof text COLLATE "C",
	ask_id uuid,
	expires timestamptz,
	digest text COLLATE "C",
	PRIMARY KEY (tenant, customer_id, at, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES {schema}.customer (tenant, id)
);
CREATE INDEX consent_entry_digest ON {schema}.consent_entry (tenant, digest, at, id);

CREATE TABLE {schema}.consent_trace (
	tenant text COLLATE "C" NOT NULL,
	customer_id uuid NOT NULL,
	entry_id uuid NOT NULL,
	address text COLLATE "C",
	ip text COLLATE "C",
	user_agent text COLLATE "C",
	evidence text COLLATE "C",
	PRIMARY KEY (tenant, customer_id, entry_id),
	FOREIGN KEY (tenant, customer_id) REFERENCES {schema}.customer (tenant, id)
);

CREATE TABLE {schema}.suppression (
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
	reason text COLLATE "C" NOT NULL,
	channel text COLLATE "C",
	topic text COLLATE "C",
	key text COLLATE "C" NOT NULL,
	source text COLLATE "C" NOT NULL,
	note text COLLATE "C",
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES {schema}.customer (tenant, id)
);
CREATE INDEX suppression_customer ON {schema}.suppression (tenant, customer_id, updated, id);
CREATE UNIQUE INDEX suppression_key ON {schema}.suppression (tenant, key) WHERE deleted IS NULL;
CREATE INDEX suppression_updated ON {schema}.suppression (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX suppression_owner ON {schema}.suppression (tenant, owner_id);
