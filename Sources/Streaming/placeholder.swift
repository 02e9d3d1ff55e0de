import CFCGI
let x = FCGI_VERSION_1
