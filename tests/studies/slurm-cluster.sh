#!/usr/bin/env bash
# A Slurm of two nodes on this machine alone, for as long as the script's standard input is open:
#   slurm-cluster.sh FOLDER
# munged, slurmctld and two slurmd listen on 127.0.0.1 and keep everything below FOLDER. Prints "ready" when both nodes
# take jobs; commands then find the cluster by SLURM_CONF=FOLDER/slurm.conf. Needs root, Debian's slurm-wlm and munge.
set -euo pipefail
folder=$1
mkdir -p "$folder/state" "$folder/node1" "$folder/node2" "$folder/munge"
chmod 700 "$folder/munge"
host=$(hostname -s)
# three free ports in a row, by the process's number
port=$((20000 + $$ % 10000 * 3))

head -c 1024 /dev/urandom >"$folder/munge/key"
chmod 400 "$folder/munge/key"
cat >"$folder/slurm.conf" <<CONF
ClusterName=lab
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$folder/munge/socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SchedulerType=sched/builtin
SelectType=select/linear
ReturnToService=2
SlurmdParameters=config_overrides
NodeName=node1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=1 State=UNKNOWN
NodeName=node2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=1 State=UNKNOWN
PartitionName=all Nodes=node1,node2 Default=YES MaxTime=10 State=UP
CONF
export SLURM_CONF="$folder/slurm.conf"

own=()
stop() {
  # a slurmd leaves a process for each step that still runs
  scancel --user root 2>/dev/null || true
  for pid in "${own[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
}
trap stop EXIT
# under root the tools ask for folders that others cannot write; below a temporary folder only --force lets them
munged --foreground --force --num-threads=2 --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
  --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" --seed-file="$folder/munge/seed" >&2 &
own+=($!)
for _ in $(seq 100); do [ -S "$folder/munge/socket" ] && break || sleep 0.1; done
slurmctld -D >&2 &
own+=($!)
for node in node1 node2; do
  slurmd -D -N "$node" >&2 &
  own+=($!)
done
for _ in $(seq 200); do
  [ "$(sinfo --noheader --Node --states=idle --format=%N 2>/dev/null | sort -u | wc -l)" = 2 ] && break || sleep 0.1
done
sinfo --noheader --Node --format='%N %T' >&2
[ "$(sinfo --noheader --Node --states=idle --format=%N | sort -u | wc -l)" = 2 ]
echo ready
cat >/dev/null
