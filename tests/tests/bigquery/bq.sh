# What people do with bq, against the embedded BigQuery.
gcloud auth activate-service-account --key-file="$GOOGLE_APPLICATION_CREDENTIALS"
bq() { command bq --api "$BIGQUERY_EMULATOR_HOST" --project_id "$GOOGLE_CLOUD_PROJECT" --location EU "$@"; }
# bq breaks its lines where it likes.
said() { tr -s '\n ' ' ' < failed.txt | grep "$1"; }
fails() { if "$@" > failed.txt 2>&1; then cat failed.txt; exit 1; fi; }

printf '{"day":"2026-11-27","n":1}\n{"day":"2026-11-28","n":2}\n' > days.json
printf 'day,n\n2026-11-28,3\n' > days.csv
gcloud storage cp days.json days.csv gs://landing/

bq mk --dataset --location EU made
bq ls | grep -w made
bq mk --table --schema 'day:DATE,n:INTEGER' --time_partitioning_type DAY --time_partitioning_field day sales.days
bq load --source_format NEWLINE_DELIMITED_JSON sales.days gs://landing/days.json
bq load --source_format CSV --skip_leading_rows 1 sales.days 'gs://landing/*.csv'
bq ls sales | grep -w days
bq show --format json sales.days | grep '"numRows":"3"'
test "$(bq head --format csv -n 10 sales.days | sort | tr '\n' ' ')" = "2026-11-27,1 2026-11-28,2 2026-11-28,3 day,n "

bq rm -f -t 'sales.days$20261128'
test "$(bq head --format csv -n 10 sales.days | tr '\n' ' ')" = "day,n 2026-11-27,1 "

# A file that is not there, rows of another partition, a known id.
fails bq load --source_format CSV sales.days gs://landing/missing.csv
said 'Not found: URI gs://landing/missing.csv'
fails bq load --source_format NEWLINE_DELIMITED_JSON --replace 'sales.days$20261127' gs://landing/days.json
said 'Some rows belong to different partitions rather than destination partition 20261127'
bq --job_id mine load --source_format NEWLINE_DELIMITED_JSON sales.copy gs://landing/days.json day:DATE,n:INTEGER
fails bq --job_id mine load --source_format NEWLINE_DELIMITED_JSON sales.copy gs://landing/days.json
said '[Aa]lready [Ee]xists'
bq ls -j | grep -w mine
bq show --format json -j mine | grep '"state":"DONE"'

fails bq query --use_legacy_sql=false 'SELECT 1'
bq rm -f -t sales.copy
bq rm -f -r -d made
