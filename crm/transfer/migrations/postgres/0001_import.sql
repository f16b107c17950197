CREATE TABLE {schema}.import (
	tenant text COLLATE "C" NOT NULL, id uuid NOT NULL, version bigint NOT NULL, owner_id uuid,
	created timestamptz NOT NULL, updated timestamptz NOT NULL, deleted timestamptz, refs jsonb, custom jsonb,
	object text COLLATE "C" NOT NULL, state text COLLATE "C" NOT NULL, plan jsonb, digest text COLLATE "C" NOT NULL, position bigint NOT NULL, row_count bigint NOT NULL,
	created_count bigint NOT NULL, updated_count bigint NOT NULL, skipped_count bigint NOT NULL, failed_count bigint NOT NULL,
	flagged_count bigint NOT NULL, related_count bigint NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX import_updated ON {schema}.import (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX import_owner ON {schema}.import (tenant, owner_id);

CREATE TABLE {schema}.import_part (
	tenant text COLLATE "C" NOT NULL, id uuid NOT NULL, version bigint NOT NULL, owner_id uuid,
	created timestamptz NOT NULL, updated timestamptz NOT NULL, deleted timestamptz, refs jsonb, custom jsonb,
	import_id uuid NOT NULL, number bigint NOT NULL, outcome jsonb,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, import_id) REFERENCES {schema}.import (tenant, id)
);
CREATE INDEX import_part_updated ON {schema}.import_part (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX import_part_owner ON {schema}.import_part (tenant, owner_id);
CREATE INDEX import_part_import ON {schema}.import_part (tenant, import_id);
CREATE INDEX import_part_number ON {schema}.import_part (tenant, number, id) WHERE deleted IS NULL;
