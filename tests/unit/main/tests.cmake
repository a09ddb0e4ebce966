ramjet_unit_test(main options)
ramjet_unit_test(main process)
