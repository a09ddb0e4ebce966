ramjet_unit_test(main process)
