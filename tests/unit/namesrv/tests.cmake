ramjet_unit_test(namesrv kv)
ramjet_unit_test(namesrv namesrv namesrv/running.c)
ramjet_unit_test(namesrv route_answers namesrv/cluster.c)
ramjet_unit_test(namesrv route_table namesrv/cluster.c)
