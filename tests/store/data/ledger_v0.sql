BEGIN TRANSACTION;
CREATE TABLE arms (
  experiment TEXT NOT NULL, digest TEXT NOT NULL, position INTEGER NOT NULL,
  status TEXT NOT NULL, result TEXT NOT NULL, PRIMARY KEY (experiment, digest)
);
INSERT INTO "arms" VALUES('e1','d0',0,'done','{"digest":"d0","name":"arm 0","kind":"tuned","shots":0,"status":"done","varying":{},"config":{},"model":"","train_examples":0,"tuning":null,"checkpoints":[],"best":"","validation":null,"test":null,"baseline":"","predictions":{},"artifacts":{},"seconds":{},"reused":[],"spent":[],"started_ms":0,"ended_ms":0,"error":"","traceback":"","exit_code":0,"log":""}');
INSERT INTO "arms" VALUES('e1','d1',1,'pending','{"digest":"d1","name":"arm 1","kind":"tuned","shots":0,"status":"pending","varying":{},"config":{},"model":"","train_examples":0,"tuning":null,"checkpoints":[],"best":"","validation":null,"test":null,"baseline":"","predictions":{},"artifacts":{},"seconds":{},"reused":[],"spent":[],"started_ms":0,"ended_ms":0,"error":"","traceback":"","exit_code":0,"log":""}');
CREATE TABLE claims (
  experiment TEXT NOT NULL, arm TEXT NOT NULL, label TEXT NOT NULL,
  PRIMARY KEY (experiment, arm, label)
);
INSERT INTO "claims" VALUES('e1','d1','job2');
INSERT INTO "claims" VALUES('e1','d0','job1');
CREATE TABLE experiments (
  digest TEXT PRIMARY KEY, name TEXT NOT NULL, file TEXT NOT NULL, result TEXT NOT NULL,
  started_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL DEFAULT 0, synced TEXT NOT NULL DEFAULT ''
);
INSERT INTO "experiments" VALUES('e1','old','/old.yaml','{"name":"old","digest":"e1","question":"","file":"/old.yaml","command":"","primary":"","arms":[],"differences":[],"treatments":[],"verdict":null,"home":"","versions":{},"started_ms":1764000000000,"ended_ms":0}',1764000000000,0,'there');
CREATE TABLE jobs (
  label TEXT PRIMARY KEY, state TEXT NOT NULL, intended_ms INTEGER NOT NULL,
  ended_ms INTEGER NOT NULL DEFAULT 0, tokens INTEGER NOT NULL DEFAULT 0,
  seconds REAL NOT NULL DEFAULT 0, model TEXT NOT NULL, error TEXT NOT NULL DEFAULT ''
);
INSERT INTO "jobs" VALUES('job1','succeeded',1795675680177,1795675680194,1000,12.5,'gemini-2.5-flash','');
CREATE TABLE resources (
  kind TEXT NOT NULL, name TEXT NOT NULL, label TEXT NOT NULL, created_ms INTEGER NOT NULL,
  deleted_ms INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (name, label)
);
INSERT INTO "resources" VALUES('object','gs://b/z.jsonl','job1',1795675680232,0);
INSERT INTO "resources" VALUES('model','projects/p/models/1','job1',1795675680232,0);
INSERT INTO "resources" VALUES('endpoint','projects/p/endpoints/1','job1',1795675680232,1795675680255);
CREATE TABLE spendings (
  label TEXT NOT NULL, what TEXT NOT NULL, month TEXT NOT NULL, experiment TEXT NOT NULL,
  arm TEXT NOT NULL, tokens INTEGER NOT NULL, usd REAL, ms INTEGER NOT NULL,
  settled INTEGER NOT NULL, rehearsal INTEGER NOT NULL, PRIMARY KEY (label, what, month)
);
INSERT INTO "spendings" VALUES('job1','tuning','2025-11','e1','d0',1000,1.25,1764000000000,1,0);
INSERT INTO "spendings" VALUES('q1','evaluation','2025-11','e1','d0',10,0.5,1764000000001,1,0);
COMMIT;
