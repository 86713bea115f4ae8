"""Training on a Kaggle GPU: the job spec, its bundles, its log, its report, the list of jobs."""
