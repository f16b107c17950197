CREATE TABLE {schema}.behaviour (
	tenant text COLLATE "C" NOT NULL,
	customer_id uuid NOT NULL,
	at timestamptz NOT NULL,
	id uuid NOT NULL,
	name text COLLATE "C" NOT NULL,
	unknown boolean NOT NULL,
	visitor text COLLATE "C",
	props jsonb,
	PRIMARY KEY (tenant, customer_id, at, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES {schema}.customer (tenant, id)
);
CREATE INDEX behaviour_at ON {schema}.behaviour (tenant, at);

CREATE TABLE {schema}.anonymous_behaviour (
	tenant text COLLATE "C" NOT NULL,
	visitor text COLLATE "C" NOT NULL,
	at timestamptz NOT NULL,
	id uuid NOT NULL,
	name text COLLATE "C" NOT NULL,
	unknown boolean NOT NULL,
	props jsonb,
	PRIMARY KEY (tenant, visitor, at, id)
);
CREATE INDEX anonymous_behaviour_at ON {schema}.anonymous_behaviour (tenant, at);

CREATE TABLE {schema}.visitor (
	tenant text COLLATE "C" NOT NULL,
	visitor text COLLATE "C" NOT NULL,
	customer_id uuid NOT NULL,
	since timestamptz NOT NULL,
	PRIMARY KEY (tenant, visitor),
	FOREIGN KEY (tenant, customer_id) REFERENCES {schema}.customer (tenant, id)
);
CREATE INDEX visitor_customer ON {schema}.visitor (tenant, customer_id);

CREATE TABLE {schema}.behaviour_day (
	tenant text COLLATE "C" NOT NULL,
	customer_id uuid NOT NULL,
	day date NOT NULL,
	name text COLLATE "C" NOT NULL,
	n bigint NOT NULL,
	origin uuid NOT NULL,
	PRIMARY KEY (tenant, customer_id, day, name, origin),
	FOREIGN KEY (tenant, customer_id) REFERENCES {schema}.customer (tenant, id)
);
