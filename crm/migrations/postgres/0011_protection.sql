ALTER TABLE {schema}.field ADD COLUMN protected boolean NOT NULL DEFAULT false;
