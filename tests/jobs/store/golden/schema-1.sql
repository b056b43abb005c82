BEGIN TRANSACTION;
CREATE TABLE deliveries (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	job VARCHAR(512) NOT NULL, 
	event VARCHAR(16) NOT NULL, 
	snapshot JSON NOT NULL, 
	attempts INTEGER NOT NULL, 
	due FLOAT NOT NULL, 
	FOREIGN KEY(job) REFERENCES jobs (id) ON DELETE CASCADE
);
INSERT INTO "deliveries" VALUES(1,'a','output','{"status": "succeeded", "output": {"files": ["output.wav"]}, "error": null, "logs": "", "metrics": {"audio_seconds": 4.0}, "cancel_requested": false, "attempts": 0, "data_removed": false, "started_at": null, "completed_at": "2026-01-31T12:01:00.000000+00:00"}',0,0.0);
INSERT INTO "deliveries" VALUES(2,'a','completed','{"status": "succeeded", "output": {"files": ["output.wav"]}, "error": null, "logs": "", "metrics": {"audio_seconds": 4.0}, "cancel_requested": false, "attempts": 0, "data_removed": false, "started_at": null, "completed_at": "2026-01-31T12:01:00.000000+00:00"}',0,0.0);
CREATE TABLE facts (
	name VARCHAR(64) NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "facts" VALUES('schema_version','1');
INSERT INTO "facts" VALUES('secret:urls','a key');
CREATE TABLE files (
	sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(64) NOT NULL, 
	name VARCHAR NOT NULL, 
	content_type VARCHAR NOT NULL, 
	size BIGINT NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	metadata JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	UNIQUE (id)
);
INSERT INTO "files" VALUES(1,'f','a.wav','audio/wav',3,'efefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefef','{}','2026-01-31 12:00:00.000000');
CREATE TABLE jobs (
	sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(512) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	surface VARCHAR(16) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	input JSON NOT NULL, 
	model VARCHAR NOT NULL, 
	version VARCHAR NOT NULL, 
	destination VARCHAR NOT NULL, 
	seed BIGINT, 
	output JSON, 
	error VARCHAR, 
	logs VARCHAR NOT NULL, 
	metrics JSON NOT NULL, 
	webhook VARCHAR NOT NULL, 
	webhook_events JSON NOT NULL, 
	output_prefix VARCHAR NOT NULL, 
	cancel_after FLOAT, 
	cancel_requested BOOLEAN NOT NULL, 
	attempts INTEGER NOT NULL, 
	data_removed BOOLEAN NOT NULL, 
	created_at DATETIME NOT NULL, 
	started_at DATETIME, 
	completed_at DATETIME, 
	UNIQUE (id)
);
INSERT INTO "jobs" VALUES(1,'a','prediction','replicate','succeeded','{"prompt": "Warm P\u00cfANO", "duration": 4}','nano','','',7,'{"files": ["output.wav"]}',NULL,'','{"audio_seconds": 4.0}','https://example.com/hook','["start", "output", "logs", "completed"]','',NULL,0,0,0,'2026-01-31 12:00:00.000000',NULL,'2026-01-31 12:01:00.000000');
INSERT INTO "jobs" VALUES(2,'b','training','replicate','starting','{"dataset_path": "https://example.com/songs.zip"}','nano','','me/my-style',NULL,NULL,NULL,'','{}','','["start", "output", "logs", "completed"]','',NULL,0,0,0,'2026-01-31 12:00:00.000000',NULL,NULL);
INSERT INTO "jobs" VALUES(3,'c','prediction','cog','starting','{"input_audio": "https://example.com/a.wav"}','nano','','',NULL,NULL,NULL,'','{}','','["start", "output", "logs", "completed"]','',NULL,0,0,0,'2026-01-31 12:00:00.000000',NULL,NULL);
CREATE TABLE tokens (
	name VARCHAR(256) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	created_at DATETIME NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "tokens" VALUES('laptop','cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd','2026-01-31 12:00:00.000000');
CREATE TABLE versions (
	sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(64) NOT NULL, 
	owner VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	model VARCHAR NOT NULL, 
	training VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	UNIQUE (id)
);
INSERT INTO "versions" VALUES(1,'abababababababababababababababababababababababababababababababab','me','my-style','my-style','b','2026-01-31 12:00:00.000000');
CREATE INDEX jobs_by_kind ON jobs (kind, sequence);
CREATE INDEX jobs_by_status ON jobs (status, sequence);
CREATE INDEX deliveries_by_job ON deliveries (job, id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('jobs',3);
INSERT INTO "sqlite_sequence" VALUES('deliveries',2);
INSERT INTO "sqlite_sequence" VALUES('versions',1);
INSERT INTO "sqlite_sequence" VALUES('files',1);
COMMIT;
