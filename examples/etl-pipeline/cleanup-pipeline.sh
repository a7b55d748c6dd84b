#!/bin/bash
# cleanup-pipeline.sh

echo "Cleaning up failed pipeline..."

# Delete jobs
kubectl delete jobs -l pipeline=etl-demo

# Reset barriers
kubectl delete barriers -l pipeline=etl-demo
kubectl apply -f barriers.yaml

# Reset semaphore
kubectl delete semaphore load-concurrency
kubectl apply -f - <<EOF
apiVersion: konductor.io/v1
kind: Semaphore
metadata:
  name: load-concurrency
spec:
  permits: 2
  ttl: 30m
EOF

echo "Pipeline reset complete"
