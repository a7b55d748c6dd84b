#!/bin/bash
# pipeline-status.sh

echo "=== ETL Pipeline Status ==="
echo

echo "Extract Stage:"
kubectl get jobs -l stage=extract --no-headers | awk '{print $1 ": " $2}'
echo "Barrier: $(koncli barrier status extract-complete --output=json | jq -r '.phase')"
echo "Arrived: $(koncli barrier status extract-complete --output=json | jq -r '.arrived')/5"
echo

echo "Transform Stage:"
kubectl get jobs -l stage=transform --no-headers | awk '{print $1 ": " $2}'
echo "Barrier: $(koncli barrier status transform-complete --output=json | jq -r '.phase')"
echo "Arrived: $(koncli barrier status transform-complete --output=json | jq -r '.arrived')/3"
echo

echo "Load Stage:"
kubectl get jobs -l stage=load --no-headers | awk '{print $1 ": " $2}'
echo "Semaphore: $(koncli semaphore status load-concurrency --output=json | jq -r '.available')/2 permits available"
