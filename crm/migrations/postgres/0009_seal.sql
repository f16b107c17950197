ALTER TABLE {schema}.log_head ADD COLUMN sealed bigint;
ALTER TABLE {schema}.log_head ADD COLUMN link bytea;

CREATE TABLE {schema}.event_seal (
	tenant text COLLATE "C" NOT NULL,
	position bigint NOT NULL,
	salt bytea,
	link bytea NOT NULL,
	erased jsonb,
	PRIMARY KEY (tenant, position)
);
