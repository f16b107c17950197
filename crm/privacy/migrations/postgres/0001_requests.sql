CREATE TABLE {schema}.data_request (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	kind text COLLATE "C" NOT NULL,
	object text COLLATE "C",
	record_id uuid,
	contact text COLLATE "C",
	text text COLLATE "C",
	received timestamptz NOT NULL,
	law text COLLATE "C" NOT NULL,
	due date NOT NULL,
	state text COLLATE "C" NOT NULL,
	due_soon boolean NOT NULL,
	overdue boolean NOT NULL,
	extended timestamptz,
	extended_for text COLLATE "C",
	checked timestamptz,
	checked_by text COLLATE "C",
	checked_how text COLLATE "C",
	closed timestamptz,
	closed_by text COLLATE "C",
	reason text COLLATE "C",
	proof text COLLATE "C",
	outcome text COLLATE "C",
	lifted timestamptz,
	lifted_for text COLLATE "C",
	PRIMARY KEY (tenant, id)
);
CREATE INDEX data_request_record ON {schema}.data_request (tenant, record_id);
CREATE INDEX data_request_due ON {schema}.data_request (tenant, due, id) WHERE deleted IS NULL;
CREATE INDEX data_request_updated ON {schema}.data_request (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX data_request_owner ON {schema}.data_request (tenant, owner_id);
