foreach(file IN ITEMS floor histogram options process report send_frame sender stall)
    ramjet_unit_test(bench ${file})
endforeach()
ramjet_unit_test(bench load bench/fake_broker.c)
