foreach(file IN ITEMS disk_floor floor page process report send_frame sender series stall target)
    ramjet_unit_test(bench ${file})
endforeach()
ramjet_unit_test(bench load bench/fake_broker.c)
