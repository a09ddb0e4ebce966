ramjet_unit_test(remoting server)
ramjet_unit_test(remoting client)
