ALTER TABLE {schema}.segment_stale ADD COLUMN quiet boolean NOT NULL DEFAULT false;
